"""What users are shown of runs: tables, migrations, and the transactions that keep them true."""
