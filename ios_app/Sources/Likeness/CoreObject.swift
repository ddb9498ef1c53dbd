/// An object of the core and how it is freed. The core says which threads may use it; the handles see to that.
struct CoreObject: @unchecked Sendable {
    let address: OpaquePointer
    private let release: @Sendable (OpaquePointer) -> Void

    init(_ address: OpaquePointer, release: @escaping @Sendable (OpaquePointer) -> Void) {
        self.address = address
        self.release = release
    }

    func free() {
        release(address)
    }
}
