"""Labels that people see or hear: how they read, and what draws them. A policy puts them on."""
