"""Who a patient is: names, numbers and dates in headers, and how to find them in free text in every spelling."""
