"""What the gateway carries: sessions at real pace, until what it adds to the latency is no longer small."""
