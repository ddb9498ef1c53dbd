package app.likeness.navigation

import app.likeness.storage.newId
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull

class NavigationTest {
    private val id = newId()

    @Test
    fun routesComeThroughTheDeathOfTheProcess() {
        val routes = listOf(
            Route.Subjects,
            Route.Teach,
            Route.Training(id),
            Route.Paint(),
            Route.Paint(id),
            Route.Pictures,
            Route.PictureDetail(id),
        )
        routes.forEach { assertEquals(it, Route.parse(it.text)) }
        assertEquals(routes, BackStack.parse(BackStack(routes).toText()).routes)
    }

    @Test
    fun whatIsNoRouteIsNone() {
        listOf("", "/", "training", "training/", "training/../x", "picture/$id/..", "teach/$id", "evil").forEach {
            assertNull(Route.parse(it), it)
        }
        assertEquals(BackStack(), BackStack.parse("evil\n"))
    }

    @Test
    fun tabsBeginAnewAndOtherScreensComeOnTop() {
        val start = BackStack()
        val deep = start.to(Route.Teach).to(Route.Training(id))
        assertEquals(listOf(Route.Subjects, Route.Teach, Route.Training(id)), deep.routes)
        assertEquals(deep, deep.to(Route.Training(id)))
        assertEquals(BackStack(listOf(Route.Pictures)), deep.to(Route.Pictures))
    }

    @Test
    fun theWayBackLeadsThroughTheSubjectsAndOut() {
        val picture = BackStack().to(Route.Pictures).to(Route.PictureDetail(id))
        val pictures = picture.back()!!
        assertEquals(Route.Pictures, pictures.top)
        assertEquals(BackStack(), pictures.back())
        assertNull(BackStack().back())
    }
}
