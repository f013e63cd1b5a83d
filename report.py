"""The door: `report.py run`, `sweep`, `render`, `reproduce` or `index`; see runner/cli.py."""

from runner.cli import main_program

if __name__ == "__main__":
    main_program()
