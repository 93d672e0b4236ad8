"""The load that the Digital Service Standard names: so many reads and writes a second, with faults and without."""
