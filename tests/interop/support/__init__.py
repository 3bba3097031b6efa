"""What the tests are made of: the hub and the other actors as a user starts them, and the SDKs as a user calls them."""
