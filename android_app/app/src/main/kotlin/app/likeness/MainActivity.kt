package app.likeness

import android.app.Activity
import android.content.Context
import android.content.Intent
import android.content.pm.PackageManager
import android.os.Build
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import app.likeness.navigation.BackStack
import app.likeness.navigation.Host
import app.likeness.navigation.Route
import app.likeness.navigation.Screen
import app.likeness.navigation.ViewModels
import app.likeness.paint.PaintScreen
import app.likeness.pictures.PictureScreen
import app.likeness.pictures.PicturesScreen
import app.likeness.platform.MainThread
import app.likeness.platform.NewerApis
import app.likeness.platform.Pickers
import app.likeness.subjects.SubjectsScreen
import app.likeness.teach.TeachScreen
import app.likeness.training.TrainingScreen
import app.likeness.training.service.TrainingService
import app.likeness.views.child
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch

/**
 * The one activity: shows the screen on top of the back stack. View models live through rotation; the back stack
 * through the death of the process; everything else that matters is on the disk.
 */
class MainActivity : Activity() {
    private lateinit var models: ViewModels
    private var stack = BackStack()
    private var screen: Screen? = null

    /** What was chosen before there is a screen again: the process had died behind the picker. */
    private var early: Pair<Int, List<String>>? = null
    private val scope = CoroutineScope(MainThread + SupervisorJob())
    private var screenScope: CoroutineScope? = null

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        models = retained() ?: ViewModels(applicationContext, graph)
        setContentView(R.layout.activity_main)
        find<View>(R.id.tab_subjects).setOnClickListener { go(Route.Subjects) }
        find<View>(R.id.tab_paint).setOnClickListener { go(Route.Paint()) }
        find<View>(R.id.tab_pictures).setOnClickListener { go(Route.Pictures) }
        stack = saved?.getString(STACK)?.let(BackStack::parse) ?: BackStack()
        begin(isFresh = saved == null)
    }

    /** Screens want to know what is on the disk; only in a new process does that take a moment. */
    private fun begin(isFresh: Boolean) {
        if (!graph.loading.isCompleted) {
            scope.launch {
                graph.loading.join()
                begin(isFresh)
            }
            return
        }
        show(stack)
        if (isFresh) follow(intent)
        early?.let { (request, documents) -> screen?.onChosen(request, documents) }
        early = null
    }

    override fun onStart() {
        super.onStart()
        // The person is here: what Android stopped in the background may go on, with a fresh six hours.
        graph.scope.launch {
            graph.loading.join()
            TrainingService.resumeIfPending(this@MainActivity)
        }
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        follow(intent)
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putString(STACK, stack.toText())
    }

    @Suppress("DEPRECATION")
    private fun retained() = lastNonConfigurationInstance as? ViewModels

    @Deprecated("The framework's own way to keep objects through rotation; its successor is a library's.")
    override fun onRetainNonConfigurationInstance(): Any = models

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val chosen = if (result == RESULT_OK) Pickers.chosen(data) else emptyList()
        screen?.onChosen(request, chosen) ?: run { early = request to chosen }
    }

    override fun onBackPressed() {
        val below = stack.back()
        if (below == null) super.onBackPressed() else show(below)
    }

    override fun onDestroy() {
        screenScope?.cancel()
        scope.cancel()
        if (!isChangingConfigurations) models.closeAll()
        super.onDestroy()
    }

    /** A notification names a route; anything else that an intent brings is ignored. */
    private fun follow(intent: Intent) {
        intent.getStringExtra(ROUTE)?.let(Route::parse)?.let(::go)
    }

    private fun go(route: Route) {
        if (route is Route.Paint) route.subjectId?.let(models.paint::beginWith)
        if (route is Route.Training) askForNotifications()
        val from = if (stack.top == Route.Teach) stack.back() ?: BackStack() else stack
        show(from.to(route))
    }

    private fun show(next: BackStack) {
        stack = next
        screenScope?.cancel()
        models.closeAllBut(next)
        val scope = CoroutineScope(MainThread)
        val place = find<ViewGroup>(R.id.screen)
        val shown = screenOf(next.top, Host(this, scope, graph.io, ::go, ::leave), place)
        screenScope = scope
        screen = shown
        place.removeAllViews()
        place.addView(shown.view)
        title = shown.title
        showTab(next.routes.first())
    }

    private fun leave() {
        show(stack.back() ?: BackStack())
    }

    private fun screenOf(route: Route, host: Host, place: ViewGroup): Screen = when (route) {
        Route.Subjects -> SubjectsScreen(host, place, models.subjects)

        Route.Teach -> TeachScreen(host, place, models.teach)

        is Route.Training -> TrainingScreen(host, place, models.training(route))

        is Route.Paint -> PaintScreen(host, place, models.paint, graph.pictures::file)

        Route.Pictures -> PicturesScreen(host, place, models.pictures)

        is Route.PictureDetail -> PictureScreen(host, place, models.picture(route)) { picture ->
            models.paint.beginWith(picture)
            go(Route.Paint())
        }
    }

    private inline fun <reified V : View> find(id: Int): V = window.decorView.child(id)

    private fun showTab(first: Route) {
        find<View>(R.id.tab_subjects).isSelected = first is Route.Subjects
        find<View>(R.id.tab_paint).isSelected = first is Route.Paint
        find<View>(R.id.tab_pictures).isSelected = first is Route.Pictures
    }

    /** Learning works without; then it has no progress to show outside the app. */
    private fun askForNotifications() {
        if (Build.VERSION.SDK_INT < NewerApis.TIRAMISU) return
        if (checkSelfPermission(POST_NOTIFICATIONS) == PackageManager.PERMISSION_GRANTED) return
        requestPermissions(arrayOf(POST_NOTIFICATIONS), 0)
    }

    companion object {
        private const val STACK = "stack"
        private const val ROUTE = "route"

        /** `Manifest.permission.POST_NOTIFICATIONS`, level 33. */
        private const val POST_NOTIFICATIONS = "android.permission.POST_NOTIFICATIONS"

        /** Opens the app at [route]. */
        fun intent(context: Context, route: Route): Intent =
            Intent(context, MainActivity::class.java).putExtra(ROUTE, route.text)
    }
}
