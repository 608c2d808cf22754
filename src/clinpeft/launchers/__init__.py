"""Where runs happen: a launcher maps a function over jobs and knows nothing of training."""
