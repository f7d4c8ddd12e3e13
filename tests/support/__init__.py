"""What end-to-end tests, the demo and the loop benchmark share: users of Label Studio and the lab they work in."""
