"""The rules of the house: configuration, contracts, consent, classes, tokens, the lock.

Imports nobody else in the project: ``governance <- ingestion <- orchestration``.
"""
