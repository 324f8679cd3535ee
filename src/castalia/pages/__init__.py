"""Parts of the HTML pages: charts, styles."""
