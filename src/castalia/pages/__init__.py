"""Pages: single HTML files that open anywhere, offline.

templates/*.html.j2 hold the HTML (one layout for all), page.css the look, render.py fills a
template, html.py has small pieces of HTML, presenter.py shows items of any modality.
"""
