package app.likeness.navigation

/** The screens behind the one that shows, which is the last. A tab is always the first; never empty. */
data class BackStack(val routes: List<Route> = listOf(Route.Subjects)) {
    init {
        require(routes.isNotEmpty())
    }

    val top: Route get() = routes.last()

    /** A tab begins anew; any other screen comes on top. */
    fun to(route: Route): BackStack = when {
        isTab(route) -> BackStack(listOf(route))
        route == top -> this
        else -> BackStack(routes + route)
    }

    /** null: the app is left. The way back from every tab leads through the subjects. */
    fun back(): BackStack? = when {
        routes.size > 1 -> BackStack(routes.dropLast(1))
        top == Route.Subjects -> null
        else -> BackStack()
    }

    fun toText(): String = routes.joinToString("\n") { it.text }

    companion object {
        fun isTab(route: Route) = route is Route.Subjects || route is Route.Paint || route is Route.Pictures

        /** What [toText] gave; lines that are no routes are left out. */
        fun parse(text: String): BackStack {
            val routes = text.split("\n").mapNotNull(Route::parse)
            return if (routes.isEmpty()) BackStack() else BackStack(routes)
        }
    }
}
