"""The load lab of enroll: starts everything itself, loads it, and writes a report. load-tests/README.md is its manual."""
