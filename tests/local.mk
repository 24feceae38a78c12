# Tests: see doc/HACKING.md.
