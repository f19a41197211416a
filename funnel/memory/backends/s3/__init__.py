"""`s3://`: a memory in a bucket that many machines may share."""
