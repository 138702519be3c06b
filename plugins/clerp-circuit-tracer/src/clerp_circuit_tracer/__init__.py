"""Circuit-tracer's graphs and features for clerp."""
