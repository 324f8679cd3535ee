"""Marks in the content: what stays when metadata are gone. A policy puts them on."""
