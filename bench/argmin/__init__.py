"""What an argmin layer costs: its formulations, from the tutorial's to the closed form."""
