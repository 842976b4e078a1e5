"""Speech in, time-continuous arousal and valence traces out."""
