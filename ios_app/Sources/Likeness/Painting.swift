import CLikeness
import Foundation

/// One call of lk_generate.
final class Painting: LongCall {
    private let engine: SharedHandle
    private let adapter: SharedHandle?
    private let settings: SampleSettings
    private let imageSize: Int
    private let interrupted = Locked(false)

    init(_ engine: SharedHandle, _ adapter: SharedHandle?, _ settings: SampleSettings, imageSize: Int) {
        self.engine = engine
        self.adapter = adapter
        self.settings = settings
        self.imageSize = imageSize
    }

    func work(_ post: @escaping @Sendable (GenerateEvent) -> Void) async throws {
        try await onThread("likeness-paint") { [self] in
            let pictures = try ([engine] + [adapter].compactMap { $0 }).useAll { objects in
                try settings.withCore { try paint(objects[0], objects.count > 1 ? objects[1] : nil, $0, post) }
            }
            post(.pictures(pictures))
        }
    }

    func interrupt() {
        interrupted.withLock { $0 = true }
    }

    func isProgress(_ event: GenerateEvent) -> Bool {
        if case .progress = event { true } else { false }
    }

    private func paint(
        _ engine: OpaquePointer, _ adapter: OpaquePointer?, _ settings: UnsafePointer<lk_sample_settings>,
        _ post: @escaping @Sendable (GenerateEvent) -> Void
    ) throws -> [Picture] {
        // 0 bytes where the core will refuse, and say why.
        let size = lk_generate_bytes(engine, settings)
        // Not an array: it would end the process where there is no memory.
        guard let pixels = malloc(max(size, 1)) else {
            throw LikenessError.outOfMemory("there is not enough memory for so many pictures; ask for fewer")
        }
        defer { free(pixels) }
        let listener = Listener(interrupted, post)
        try withExtendedLifetime(listener) {
            var callbacks = listener.callbacks
            try check(lk_generate(engine, adapter, settings, &callbacks, pixels, size))
        }
        let bytes = Picture.bytesPerPixel * imageSize * imageSize
        return (0..<self.settings.count).map {
            Picture(side: imageSize, rgb: UnsafeRawBufferPointer(start: pixels + $0 * bytes, count: bytes))
        }
    }
}

/// lk_sample_callbacks for as long as it lives.
private final class Listener {
    private let interrupted: Locked<Bool>
    private let post: @Sendable (GenerateEvent) -> Void

    init(_ interrupted: Locked<Bool>, _ post: @escaping @Sendable (GenerateEvent) -> Void) {
        self.interrupted = interrupted
        self.post = post
    }

    var callbacks: lk_sample_callbacks {
        lk_sample_callbacks(user: Unmanaged.passUnretained(self).toOpaque()) { user, done, total in
            let listener = Unmanaged<Listener>.fromOpaque(user!).takeUnretainedValue()
            listener.post(.progress(.init(done: Int(done), total: Int(total))))
            return listener.interrupted.withLock { $0 } ? 1 : 0
        }
    }
}
