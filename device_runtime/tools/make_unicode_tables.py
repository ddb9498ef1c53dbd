"""placeholder"""
import pathlib,sys
pathlib.Path(sys.argv[1]).write_text("")
