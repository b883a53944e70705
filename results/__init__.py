"""What was measured: the tables' columns, a store that survives a crash, and reports made from it.

`tables` says what every CSV holds, `store` appends to one and reads it back, `environment` records
where the numbers come from, and `report` turns a directory of them into something to read. Nothing
here measures: `verify` and `bench` write through this package, which imports neither of them.
"""
