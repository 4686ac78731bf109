"""Workers: what draws jobs, and the seam that the dispatcher sees."""
