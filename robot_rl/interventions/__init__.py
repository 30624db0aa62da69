"""People in the loop: their devices, the gate between them and the policy, a simulated human."""
