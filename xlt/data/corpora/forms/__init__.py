"""Forms of tables, one a file: delimited text, JSON, workbooks, Parquet, fairseq's manifests.

``read(path, how) -> list[Grid]``; DataError if the file is damaged or none of its kind. A form gives values
as they are, as words; which line is the header and what columns mean is found out for all forms alike
(:mod:`xlt.data.corpora.headers`, :mod:`xlt.data.corpora.contents`). Nothing in a file is run. A new form is a
file such as these and a line of :data:`xlt.core.registry.TABLES` for its ending; docs/extend.md has an
example, which a test runs.
"""
