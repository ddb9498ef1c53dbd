import CLikeness

/// An adapter of the core.
final class LoadedAdapter: Adapter {
    let info: AdapterInfo
    let handle: SharedHandle

    /// Owns the adapter at `address`, also where this throws.
    init(_ address: OpaquePointer) throws {
        handle = SharedHandle(CoreObject(address, release: lk_adapter_close), "adapter")
        info = try readAdapterInfo(handle.use { adapter in try newText { lk_adapter_info(adapter, $0) } })
    }

    func close() {
        handle.close()
    }
}

extension Adapter {
    /// - Throws: ``LikenessError/invalidArgument(_:)`` for an adapter that no ``Engine`` made
    func loaded() throws -> LoadedAdapter {
        guard let loaded = self as? LoadedAdapter else {
            throw LikenessError.invalidArgument("the adapter is no Engine's; load its file with one")
        }
        return loaded
    }
}
