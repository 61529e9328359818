"""What makes a job safe and can change no result: outside the code digest."""
