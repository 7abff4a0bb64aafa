"""This project beside others that speak OpenAI's realtime wire, on one emulated stream: ``make bench ARGS=peers``."""
