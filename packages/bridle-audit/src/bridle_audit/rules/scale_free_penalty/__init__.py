"""The penalty shrinks weights whose length the network does not feel, since a norm follows."""
