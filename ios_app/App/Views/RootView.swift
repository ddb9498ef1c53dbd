#if canImport(SwiftUI)
import SwiftUI

/// The tabs, and the screens on top of them.
struct RootView: View {
    let models: ViewModels
    @Bindable var navigator: Navigator

    var body: some View {
        TabView(selection: $navigator.tab) {
            NavigationStack(path: $navigator.subjects) {
                SubjectsView(model: models.subjects, go: { navigator.go(to: $0) }, paint: paint)
                    .navigationDestination(for: Route.self, destination: screen)
            }
            .tabItem { Label(Words.subjectsTitle, systemImage: "pawprint") }
            .tag(Tab.subjects)
            NavigationStack {
                PaintView(model: models.paint, file: models.pictures.file) { navigator.go(to: .picture($0)) }
            }
            .tabItem { Label(Words.paintTitle, systemImage: "paintbrush") }
            .tag(Tab.paint)
            NavigationStack(path: $navigator.pictures) {
                PicturesView(model: models.pictures) { navigator.go(to: .picture($0)) }
                    .navigationDestination(for: Route.self, destination: screen)
            }
            .tabItem { Label(Words.picturesTitle, systemImage: "photo.on.rectangle") }
            .tag(Tab.pictures)
        }
    }

    @ViewBuilder
    private func screen(_ route: Route) -> some View {
        switch route {
        case .teach:
            Keeping(make: models.teach) { model in
                TeachView(model: model, taught: { navigator.go(to: .training($0)) }) { navigator.leave(route) }
            }
        case .training(let id):
            Keeping(make: { models.training(id) }) { model in
                TrainingView(model: model, paint: paint) { navigator.leave(route) }
            }
        case .picture(let id):
            Keeping(make: { models.picture(id) }) { model in
                PictureView(model: model, again: paintAgain) { navigator.leave(route) }
            }
        case .settings: Keeping(make: models.settings) { SettingsView(model: $0) }
        }
    }

    private func paint(_ subject: Subject) {
        models.paint.begin(with: subject.id)
        navigator.go(to: .paint)
    }

    private func paintAgain(_ picture: KeptPicture) {
        models.paint.begin(with: picture)
        navigator.go(to: .paint)
    }
}

/// Makes a screen's view model when the screen first shows, and keeps it for as long as it does.
private struct Keeping<Model, Content: View>: View {
    let make: () -> Model
    @ViewBuilder let content: (Model) -> Content
    @State private var model: Model?

    init(make: @escaping () -> Model, @ViewBuilder content: @escaping (Model) -> Content) {
        self.make = make
        self.content = content
    }

    var body: some View {
        if let model {
            content(model)
        } else {
            Color.clear.onAppear { model = make() }
        }
    }
}
#endif
