"""Small registries and made-up constants, for tests, benchmarks and harnesses; not part of the installed package."""
