"""The seven measurements that the method asks for: each module's `measure(bed)` gives one table of figures."""
