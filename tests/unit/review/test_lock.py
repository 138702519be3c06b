"""What people agreed on is what every later run says, in every graph with the feature."""
