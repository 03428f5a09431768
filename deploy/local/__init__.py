"""The whole system on one machine, as local processes: for a trial and for the tests."""
