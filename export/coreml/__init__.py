"""Student → Core ML bundle: the contract's methods as `.mlpackage`s, and an interpreter that checks them anywhere."""
