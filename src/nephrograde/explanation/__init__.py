"""Explanation: where on the scan the networks of a packed model found what they answer, as maps on the scan's grid."""
