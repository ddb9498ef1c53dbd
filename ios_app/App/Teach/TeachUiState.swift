/// What the screen shows of a subject that is being put together.
struct TeachUiState: Sendable, Equatable {
    static let mostPhotos = 20

    /// The draft was read.
    var loaded = false
    var name = ""
    var className = ""
    /// Numbers of the draft's photos.
    var photos: [Int] = []
    /// How many of how many picked photos were looked at; nil: none is being added.
    var adding: Adding?
    /// How many of the photos that were picked last could not be used; ``problem`` says why the last could not.
    var refused = 0
    /// What the model knows best.
    var classes: [String] = []
    var forecast = ForecastState.nothingToPlan
    var starting = false
    /// The draft became this subject; the screen is done.
    var startedID: ItemID?
    /// The draft and its photos are deleted; the screen is done.
    var discarded = false
    var problem: Problem?

    var canAdd: Bool { loaded && adding == nil && !starting && photos.count < Self.mostPhotos }

    var canStart: Bool {
        guard case .known = forecast, adding == nil, !starting, startedID == nil, !photos.isEmpty else { return false }
        return !Names.clean(name).isEmpty && !Names.clean(className).isEmpty
    }

    struct Adding: Sendable, Equatable {
        var done: Int
        var total: Int
    }
}

enum ForecastState: Sendable, Equatable {
    /// Photos or the class are missing.
    case nothingToPlan
    case computing
    case known(Forecast)
    case failed(Problem)
}
