import CLikeness
import Foundation

/// A bundle that is open in the core.
///
///     let engine = try await Engine.open(bundle)
///     let settings = try engine.trainSettings(className: "dog", token: "<my-dog>")
///     let session = try await engine.createSession(settings, journal: journal)
///     for photo in photos { try await session.addPhoto(photo) }
///     for try await event in session.run() { show(event) }
///     try await session.saveAdapter(file)
///     try session.close()
///
///     let adapter = try await engine.loadAdapter(file)
///     let painting = try engine.sampleSettings(prompt: "a <my-dog> dog in a bucket")
///     for try await event in engine.generate(painting, adapter: adapter) { show(event) }
public final class Engine: Studio {
    public let info: EngineInfo
    private let handle: SharedHandle

    /// Opens the bundle in the folder `bundle`.
    ///
    /// - Throws: ``LikenessError/storage(_:)`` where it cannot be read, ``LikenessError/corruptFile(_:)`` where a file is
    ///   damaged, ``LikenessError/unsupportedVersion(_:)`` where it was exported for another version
    public static func open(_ bundle: URL, options: EngineOptions = EngineOptions()) async throws -> Engine {
        guard lk_api_version() == LK_API_VERSION else {
            throw LikenessError.internal("the core is of another version than this library: build both again")
        }
        let path = try bundle.corePath()
        return try await onThread("likeness-engine") {
            let address = try options.withCore { options in
                try withTexts(path) { texts in try newObject { lk_engine_open(texts[0], options, $0) } }
            }
            return try Engine(address)
        }
    }

    /// Owns the engine at `address`, also where this throws.
    private init(_ address: OpaquePointer) throws {
        handle = SharedHandle(CoreObject(address, release: lk_engine_close), "engine")
        info = try readEngineInfo(handle.use { engine in try newText { lk_engine_info(engine, $0) } })
    }

    public func trainSettings(className: String, token: String) throws -> TrainSettings {
        try handle.use { engine in
            var core = lk_train_settings()
            try check(lk_train_settings_default(engine, &core))
            var settings = TrainSettings(core)
            settings.className = className
            settings.token = token
            return settings
        }
    }

    public func sampleSettings(prompt: String) throws -> SampleSettings {
        try handle.use { engine in
            var core = lk_sample_settings()
            try check(lk_sample_settings_default(engine, &core))
            var settings = SampleSettings(core)
            settings.prompt = prompt
            return settings
        }
    }

    public func createSession(_ settings: TrainSettings, journal: URL?) async throws -> any Personalization {
        let folder = try journal?.corePath()
        return try await onHandle { engine in
            let address = try settings.withCore { settings in
                try withTexts(folder ?? "") { texts in
                    try newObject { lk_session_create(engine, settings, folder == nil ? nil : texts[0], $0) }
                }
            }
            return Session(address)
        }
    }

    public func resumeSession(journal: URL) async throws -> any Personalization {
        let folder = try journal.corePath()
        return try await onHandle { engine in
            Session(try withTexts(folder) { texts in try newObject { lk_session_resume(engine, texts[0], $0) } })
        }
    }

    public func loadAdapter(_ file: URL) async throws -> any Adapter {
        let path = try file.corePath()
        return try await onHandle { engine in
            try LoadedAdapter(withTexts(path) { texts in try newObject { lk_adapter_load(engine, texts[0], $0) } })
        }
    }

    public func mergeAdapters(_ adapters: [any Adapter], into file: URL) async throws {
        let path = try file.corePath()
        let handles = try adapters.map { try $0.loaded().handle }
        try await onHandle { engine in
            try handles.useAll { adapters in
                try withTexts(path) { texts in
                    try check(lk_adapter_merge(engine, adapters.map(Optional.some), adapters.count, texts[0]))
                }
            }
        }
    }

    public func generate(_ settings: SampleSettings, adapter: (any Adapter)?) -> EventStream<GenerateEvent> {
        EventStream { [handle, info] in
            Painting(handle, try adapter?.loaded().handle, settings, imageSize: info.imageSize)
        }
    }

    /// The token ids of `text` without start, end and padding, uncut. `adapter` brings words of its own.
    public func tokenize(_ text: String, adapter: (any Adapter)? = nil) throws -> [Int] {
        let handles = [handle] + [try adapter?.loaded().handle].compactMap { $0 }
        return try handles.useAll { objects in
            try withTexts(text) { texts in
                let adapter = objects.count > 1 ? objects[1] : nil
                var count = 0
                try check(lk_tokenize(objects[0], adapter, texts[0], nil, 0, &count, nil))
                var ids = [Int64](repeating: 0, count: count)
                try check(lk_tokenize(objects[0], adapter, texts[0], &ids, ids.count, &count, nil))
                return ids.map { Int($0) }
            }
        }
    }

    /// The centre square of `photo` as the model can show it: through the image encoder and decoder.
    public func encodeDecode(_ photo: Picture) async throws -> Picture {
        let side = info.imageSize
        return try await onHandle { engine in
            var rgb = [UInt8](repeating: 0, count: Picture.bytesPerPixel * side * side)
            try check(
                lk_encode_decode(
                    engine, photo.rgb, Int32(photo.width), Int32(photo.height), Picture.bytesPerPixel * photo.width,
                    Int32(Picture.bytesPerPixel), &rgb, rgb.count))
            return try Picture(width: side, height: side, rgb: rgb)
        }
    }

    public func trim() throws {
        try handle.use { lk_engine_trim($0) }
    }

    public func close() {
        handle.close()
    }

    private func onHandle<Result: Sendable>(
        _ body: @escaping @Sendable (OpaquePointer) throws -> Result
    ) async throws -> Result {
        try await onThread("likeness-engine") { [handle] in try handle.use(body) }
    }
}
