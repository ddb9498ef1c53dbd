import CLikeness

/// Throws what a status other than LK_OK means; on the thread that called the core.
func check(_ status: lk_status) throws {
    if status != LK_OK { throw LikenessError(status, message: String(cString: lk_last_error())) }
}

extension LikenessError {
    /// The case of a status other than LK_OK.
    init(_ status: lk_status, message: String) {
        switch status {
        case LK_INVALID_ARGUMENT: self = .invalidArgument(message)
        case LK_IO: self = .storage(message)
        case LK_CORRUPT: self = .corruptFile(message)
        case LK_UNSUPPORTED_VERSION: self = .unsupportedVersion(message)
        case LK_WRONG_MODEL: self = .wrongModel(message)
        case LK_OUT_OF_MEMORY: self = .outOfMemory(message)
        case LK_CANCELLED: self = .cancelled(message)
        case LK_BUSY: self = .busy(message)
        case LK_NOT_FINITE: self = .notFinite(message)
        case LK_DISK_FULL: self = .diskFull(message)
        case LK_BAD_PHOTO: self = .badPhoto(message)
        default: self = .internal(message)
        }
    }
}

/// The object that a call of the core writes.
func newObject(_ call: (UnsafeMutablePointer<OpaquePointer?>) -> lk_status) throws -> OpaquePointer {
    var address: OpaquePointer?
    try check(call(&address))
    guard let address else { throw LikenessError.internal("the core gave no object; this is a mistake in it") }
    return address
}

/// The text that a call of the core writes.
func newText(_ call: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> lk_status) throws -> String {
    var text: UnsafeMutablePointer<CChar>?
    try check(call(&text))
    guard let text else { throw LikenessError.internal("the core gave no text; this is a mistake in it") }
    defer { lk_string_free(text) }
    return String(cString: text)
}

/// A number as the core counts it.
///
/// - Throws: ``LikenessError/invalidArgument(_:)`` where it has no room there
func toCore<Number: FixedWidthInteger>(_ value: Int, _ name: String) throws -> Number {
    guard let number = Number(exactly: value) else {
        throw LikenessError.invalidArgument("\(name) is \(value); it must lie between \(Number.min) and \(Number.max)")
    }
    return number
}
