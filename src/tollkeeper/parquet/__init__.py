"""Tables as Parquet files, written in a child process: the library would stop the server's calls while it is loaded."""
