"""Every sentence and table that a reader sees, a chapter of the report a module.

The functions take plain values, and what they return remembers them: a sentence
that is changed here is written anew into reports that are finished, and nothing
is computed again. So nothing of the project but this folder is imported here.
"""
