"""A finished run as one archive that describes itself: an RO-Crate with the run's files, its data and the lock.

In the archive the run's folder and its data lie to each other as they do here, so that the
run's parameters, and all hashes made of them, hold there too. The same run folder gives the same bytes.
RO-Crate 1.1: https://www.researchobject.org/ro-crate/specification/1.1/
"""

import contextlib
import datetime
import json
import mimetypes
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mixture.atomic import write_atomically
from mixture.code_hash import file_hash
from mixture.messages import InputError, format_name
from parameters import Parameters
from runner.errors import ChainError
from runner.provenance import LOCK, PROJECT, data_files
from runner.reproduce import stored_parameters
from runner.stages import ROOT
from runner.stored import MANIFEST, REPORT, DamagedFile, read_finished

CRATE = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/crate/1.1"
RUN = "run"  # the folder's name in an archive
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every entry: the earliest that the format knows
MOST_BYTES = 16 << 30  # of an archive's content, unpacked
TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".nc": "application/netcdf",
    ".ipynb": "application/x-ipynb+json",
}


def write_bundle(folder: Path, out: Path | None = None) -> Path:
    """Write the archive of a finished run; its path.

    Parameters
    ----------
    folder : Path
    out : Path, optional
        By default the folder's name with .zip, beside it.

    Raises
    ------
    InputError
        The folder holds no finished run, or one that was changed after it was written, or its data are gone or others.
    """
    manifest, notebooks = read_finished(folder)
    _refuse_changed(folder, manifest)
    values = stored_parameters(folder, manifest)
    place, data = _layout(folder, values)
    _refuse_other_data(data, manifest)
    names = [MANIFEST, *manifest["hashes"]["outputs"], *(f"{name}.ipynb" for name in notebooks)]
    names += [REPORT] if (folder / REPORT).exists() else []
    files = {f"{place}/{name}": folder / name for name in names} | data
    if file_hash(ROOT / LOCK) == manifest["hashes"].get("lock"):
        files[LOCK] = ROOT / LOCK
    described = describe_crate(manifest, files, place, list(data), _date(folder))
    out = out or folder.resolve().with_name(f"{folder.resolve().name}.zip")
    write_atomically(out, lambda part: _write_zip(part, files, described))
    return out


def _refuse_changed(folder, manifest):
    for name, content in manifest["hashes"]["outputs"].items():
        if file_hash(folder / name) != content:
            raise DamagedFile(f"{format_name(os.path.relpath(folder / name))}: damaged: not as its manifest says")


def _refuse_other_data(data, manifest):
    then = manifest["hashes"].get("data") or {}
    for path in data.values():
        if path.name in then and file_hash(path) not in then.values():
            raise InputError(
                f"data: {format_name(os.path.relpath(path))} was changed after the run; allowed: run it again"
            )


def _layout(folder: Path, values: Parameters) -> tuple[str, dict[str, Path]]:
    """Where the run lies in the archive, as deep as its way to the data leads up; and the data's files by their places."""
    paths = [] if values.data is None else data_files(values.data)
    ways = {path: PurePosixPath(os.path.relpath(os.path.abspath(path), os.path.realpath(folder))) for path in paths}
    up = max((way.parts.count("..") for way in ways.values()), default=1)
    place = "/".join([RUN] * max(1, up))
    return place, {os.path.normpath(f"{place}/{way}"): path for path, way in ways.items()}


def _date(folder):
    """The day on which the run was finished."""
    moment = datetime.datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, datetime.UTC)
    return moment.date().isoformat()


def describe_crate(
    manifest: dict[str, Any], files: dict[str, Path], place: str, data: list[str], date: str
) -> dict[str, Any]:
    """The content of ro-crate-metadata.json.

    Parameters
    ----------
    manifest : dict
    files : dict of str to Path
        All files by their places in the archive.
    place : str
        Of the run's folder there.
    data : list of str
        The places of what the run read.
    date : str
        ISO, of the run.
    """
    title = manifest["parameters"]["title"]
    verdict = "can be trusted" if manifest["trusted"] else "is not to be trusted"
    results = [name for name in files if name.startswith(f"{place}/") and name not in data]
    facts = {"seed": manifest["seed"], "commit": manifest["commit"], LOCK: manifest["hashes"].get("lock")}
    facts |= {f"stage {name}": content for name, content in manifest["hashes"]["stages"].items()}
    known = {name: value for name, value in facts.items() if value is not None}
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": PROFILE},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": f"A report on the Gaussian components of a sample, with all it rests on. Its result {verdict}.",
            "datePublished": date,
            "license": {"@id": "#license"},
            "hasPart": _references(files),
            "mentions": {"@id": "#run"},
        },
        {
            "@id": "#license",
            "@type": "CreativeWork",
            "name": "Not stated",
            "description": "Who shares the archive states the licence of data and results; the software's is MIT.",
        },
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": title,
            "instrument": {"@id": "#software"},
            "object": [*_references(data), *_references(f"#{name}" for name in known)],
            "result": _references(results),
        },
        {
            "@id": "#software",
            "@type": "SoftwareApplication",
            "name": PROJECT,
            "softwareVersion": manifest["commit"] or "not recorded",
            "softwareRequirements": [f"{name} {version}" for name, version in sorted(manifest["versions"].items())],
        },
        *({"@id": f"#{name}", "@type": "PropertyValue", "name": name, "value": value} for name, value in known.items()),
        *(_describe_file(name, path) for name, path in sorted(files.items())),
    ]
    return {"@context": f"{PROFILE}/context", "@graph": graph}


def _references(names):
    return [{"@id": name} for name in names]


def _describe_file(name, path):
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    about = {"name": path.name, "encodingFormat": kind, "contentSize": str(path.stat().st_size)}
    return {"@id": name, "@type": "File", **about, "sha256": file_hash(path)}


def _write_zip(part, files, described):
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        content = json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True).encode()
        archive.writestr(_entry(CRATE), content)
        for name, path in sorted(files.items()):
            with archive.open(_entry(name), "w", force_zip64=True) as there, path.open("rb") as here:
                shutil.copyfileobj(here, there, 1 << 20)


def _entry(name):
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry


# -- back from it -----------------------------------------------------------------------------


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The run's folder in an archive, unpacked beside it for as long as this lasts.

    Raises
    ------
    InputError
        It is no archive of a run, or what is in it is not as it describes.
    """
    folder = Path(tempfile.mkdtemp(prefix=f".{archive.stem}-", dir=archive.resolve().parent))
    try:
        yield _unpack(archive, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive, folder):
    shown = format_name(os.path.relpath(archive))
    try:
        with zipfile.ZipFile(archive) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MOST_BYTES:
                raise InputError(f"{shown}: holds more than {MOST_BYTES >> 30} GB; allowed: an archive of a run")
            packed.extractall(folder)  # which lets no name lead out of the folder
        described = json.loads((folder / CRATE).read_text(encoding="utf-8"))
        files = {each["@id"]: each["sha256"] for each in described["@graph"] if each["@type"] == "File"}
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        raise InputError(
            f"{shown}: allowed: the folder of a finished run, or its archive by the command bundle"
        ) from None
    for name, content in files.items():
        if file_hash(folder / name) != content:
            raise DamagedFile(f"{shown}: damaged: {format_name(name)} is not as the archive describes")
    found = [name for name in files if PurePosixPath(name).name == MANIFEST and name.startswith(f"{RUN}/")]
    if len(found) != 1:
        raise InputError(f"{shown}: allowed: an archive of one run")
    return (folder / found[0]).parent


def keep_beside(archive: Path, fresh: Path) -> Path:
    """Move a fresh run out of an unpacked archive, beside it; where it is then."""
    kept = archive.resolve().parent / fresh.name.replace(RUN, archive.stem, 1)
    try:
        return Path(shutil.move(fresh, kept))
    except OSError as error:
        raise ChainError(f"{os.path.relpath(kept)}: cannot be written ({error.strerror})") from None
