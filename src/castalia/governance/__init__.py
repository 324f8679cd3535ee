"""Governance: release policy, provenance, audits of copying and privacy."""
