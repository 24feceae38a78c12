# The command loongc.
