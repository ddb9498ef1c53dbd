import Foundation
import Observation

struct PicturesUiState: Sendable, Equatable {
    var pictures: [KeptPicture] = []
}

/// The kept pictures, newest first.
@MainActor @Observable
final class PicturesViewModel {
    @ObservationIgnored private let store: PictureStore

    init(store: PictureStore) {
        self.store = store
    }

    var state: PicturesUiState { PicturesUiState(pictures: store.pictures) }

    func file(_ id: ItemID) -> URL { store.file(id) }
}
