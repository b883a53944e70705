"""The checker checked: planted faults, awkward functions, other checkers, false alarms."""
