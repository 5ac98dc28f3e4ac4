"""A dropout lets next to nothing through: its rate may have been meant as the share that is kept."""
