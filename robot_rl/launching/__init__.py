"""Many runs: the jobs of a sweep, carried out on this machine or on a cluster."""
