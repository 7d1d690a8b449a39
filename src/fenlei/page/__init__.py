"""A judged report -> one HTML page that opens offline."""
