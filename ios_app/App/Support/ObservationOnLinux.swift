#if os(Linux)
/// Swift 6.0's Observation for Linux refers to this function of Swift's runtime, `swift::threading::fatal(char
/// const*, ...)`, which no library of that version has: without it nothing that observes can be linked. It is called
/// where a lock of the system fails.
@_cdecl("_ZN5swift9threading5fatalEPKcz")
public func swiftThreadingFatal(_ message: UnsafePointer<CChar>) {
    fatalError(String(cString: message))
}
#endif
