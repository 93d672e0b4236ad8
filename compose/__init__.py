"""The bus as a whole: started from native processes on one machine, or described for containers."""
